"""PostgreSQL as Django has it, for a pool whose database may be away."""
