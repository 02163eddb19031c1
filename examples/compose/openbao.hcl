# Where the server finds plugins: the unpacked archive.
plugin_directory = "/plugins"
