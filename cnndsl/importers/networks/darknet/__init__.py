"""Darknet's networks: cfg files, as the programs of Redmon and of Bochkovskiy read them.

:mod:`.cfg` reads sections and options with their lines; :mod:`.converter` says each section in our
layers; :mod:`.recipe` what the first section says of training; :mod:`.reader` all of it.
"""
