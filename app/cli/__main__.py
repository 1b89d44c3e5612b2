"""So that children are started with the very Python that runs their parent."""

from app.cli import main

main()
