"""From stored results to tables, statistics and figures, and the measurements that train tickets again."""
