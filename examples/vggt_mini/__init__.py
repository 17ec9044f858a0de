"""A small VGGT trained on rendered rooms: renderer, scenes, training, held-out figures."""
