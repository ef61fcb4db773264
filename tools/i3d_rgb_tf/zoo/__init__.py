"""The zoo entry in an installed Open Model Zoo, and the zoo's own tools."""
