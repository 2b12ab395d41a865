"""From a checkpoint to an ONNX file under the metadata contract."""
