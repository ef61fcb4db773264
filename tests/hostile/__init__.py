"""Damaged and hostile inputs for every reader of the package, made from seeds and run apart.

``python -m hostile --help`` in ``tests/`` runs it; ``make hostile`` does as well.
"""
