"""Networks from ONNX files: :mod:`.read` is the way from the file to the common form."""
