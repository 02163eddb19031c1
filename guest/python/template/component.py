"""What the module exports. Everything else of the engine runs in plain Python, too.

The build runs this file and keeps what it leaves in memory: import all that a request needs, since there are no files later.
"""

from engine import BACKEND
from helper.component import export_engine
from helper.declared import export_declaration
from helper.upstream import Upstream

Backend, Existence = export_engine(BACKEND, Upstream())
Declaration = export_declaration(BACKEND)
