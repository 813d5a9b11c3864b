"""One HTML page of one replay or several side by side, which needs nothing else.

svg     axes, curves, bands and flows as SVG, from plain numbers
page    the page
"""
