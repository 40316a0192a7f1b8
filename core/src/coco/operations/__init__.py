"""Operations on flows: one module per operation."""
