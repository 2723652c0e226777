"""Pictures out of images: grids, strips, animations, atlases, and the strip in the terminal.

Images are arrays of shape (n, c, h, w) with values in [0, 1]; c is 1 (grey) or 3 (RGB).
"""
