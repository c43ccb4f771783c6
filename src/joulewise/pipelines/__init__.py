"""What a hub knows of running pipelines: profiles in, plans out, and which plan each replica follows now."""
