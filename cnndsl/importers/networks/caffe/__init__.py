"""Caffe's networks: prototxt files, of any of its three generations, and their solvers.

:mod:`.prototext` reads protocol buffers' text format, with places; :mod:`.messages` what Caffe's
messages hold; :mod:`.versions` turns the older two generations of layers into the third;
:mod:`.phases` picks what a network is made of; :mod:`.layers` says it in our layers.
"""
