"""The decision log: what entered the core, and what came of it, so that it can be done again.

    codec      inputs of a step as bytes, and back
    image      the whole mind of a Region as bytes, and back
    records    what a journal holds, and how that lies in files
    journal    writes it beside the driver, and never in its way
    reading    finds it again, up to where a crash tore it off
    replay     steps a Region from an image through recorded inputs, and compares

The core is a function of its inputs (docs/ARCHITECTURE.md), so inputs and a point to begin at are all that is kept.
"""
