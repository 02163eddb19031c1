"""The small library on which an engine in Python is built: paths with fields, errors, storage, leases, upstream HTTP.

Only `component` and `upstream` need to be in a component. All other files run in plain Python, with the doubles of `testing` for
everything outside.
"""
