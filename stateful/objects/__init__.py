"""What object storage remembers: buckets, their versions and how long they keep what."""
