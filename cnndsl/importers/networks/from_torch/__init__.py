"""Networks from PyTorch modules, by ``torch.export``."""
