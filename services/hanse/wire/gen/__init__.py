"""Written by proto/generate.py; do not edit."""
