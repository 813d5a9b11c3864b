"""Where jobs really run, behind one small port: `port.py`. Local processes are the default engine (`local/`)."""
