"""Embeddings of texts, as functions of coco flows: by hashing, by MiniLM on numpy, by sentence-
transformers. Nothing is imported here: names live in the modules.
"""
