"""Planning: from requirements and a repository to a plan."""
