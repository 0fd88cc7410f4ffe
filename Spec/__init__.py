"""What a run is: frozen, validated descriptions and the errors that refuse a wrong one.

The lowest layer: everything imports it, it imports nothing of the project.
"""
