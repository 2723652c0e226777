"""Pages that open anywhere: one self-contained HTML file, made of sections, made of figures."""
