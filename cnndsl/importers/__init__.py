"""What other tools wrote, brought in: networks as specs, weights as ours.

``networks/`` reads the files that describe a network (ONNX, Caffe, Darknet, Keras, PyTorch's
exported programs), ``weights/`` those that hold trained numbers.
"""
