"""A federation of regions on this machine, for development, demonstrations and benchmarks.

layout.py     which regions, where their files are, what their configurations say
processes.py  starting and stopping their daemons, and never anybody else's
tasks.py      ending what daemons leave running
"""
