-- Settings of a group: defaults, parsing, checks, profiles.

\pset format unaligned

SELECT failover_create_group('g');
SELECT name, setting, unit, default_setting, min_value, max_value, source FROM failover_settings WHERE group_name = 'g';
SELECT name, description FROM failover_settings WHERE group_name = 'g';

-- values are read as PostgreSQL reads its own
SELECT failover_set('g', 'check_interval', '500ms');
SELECT failover_set('g', 'check_timeout', '1500');
SELECT failover_set('g', 'max_lag', '1GB');
SELECT failover_set('g', 'block_period', '2 min');
SELECT failover_set('g', 'auto_failover', 'OFF');
SELECT failover_set('g', 'prefer', 'Availability');
SELECT failover_set('g', 'slow_factor', '1.25');
SELECT failover_set('g', 'notify_channel', '');
SELECT failover_set('g', 'webhook_secret', 'hushhush');
SELECT name, setting, source, set_by = current_user AS by_us FROM failover_settings WHERE group_name = 'g' AND source <> 'default';

-- a value that is the default is a default
SELECT failover_set('g', 'max_lag', '16384kB');
SELECT failover_reset('g', 'check_timeout');
SELECT failover_reset('g', 'check_timeout');
SELECT failover_reset('g', 'webhook_secret');
SELECT name, setting, source FROM failover_settings WHERE group_name = 'g' AND source <> 'default';

-- what is wrong says what would be right
SELECT * FROM try($$SELECT failover_set('nowhere', 'check_interval', '1s')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_intervall', '1s')$$);
SELECT * FROM try($$SELECT failover_set('g', 'something_else', '1s')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', 'soon')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', '1 fortnight')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', '-1s')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', '0')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', '1e300')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', 'NaN')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', '')$$);
SELECT * FROM try($$SELECT failover_set('g', 'slow_factor', 'Infinity')$$);
SELECT * FROM try($$SELECT failover_set('g', 'failure_threshold', '0')$$);
SELECT * FROM try($$SELECT failover_set('g', 'auto_failover', 'perhaps')$$);
SELECT * FROM try($$SELECT failover_set('g', 'strategy', 'random')$$);
SELECT * FROM try($$SELECT failover_set('g', 'max_lag', '5 apples')$$);
SELECT * FROM try($$SELECT failover_set('g', 'notify_channel', repeat('c', 64))$$);
SELECT * FROM try($$SELECT failover_set('g', 'webhook_secret', E'hush\nhush')$$);
SELECT * FROM try($$SELECT failover_set('g', 'check_interval', NULL)$$);
SELECT * FROM try($$SELECT failover_set('g', NULL, '1s')$$);
SELECT * FROM try($$SELECT failover_reset('g', 'check_intervall')$$);
SELECT * FROM try($$SELECT failover_reset('g', NULL)$$);

-- settings that only make sense together
SELECT failover_set('g', 'check_interval', '3s');
SELECT failover_set('g', 'lease_time', '10s');
SELECT failover_set('g', 'lease_time', '10000');
SELECT failover_reset('g', 'lease_time');
SELECT name, setting FROM failover_settings WHERE group_name = 'g' AND name IN ('check_interval', 'lease_time');

-- profiles replace each other
SELECT * FROM try($$SELECT failover_apply_profile('g', 'reckless')$$);
SELECT * FROM try($$SELECT failover_apply_profile('g', NULL)$$);
SELECT failover_apply_profile('g', 'development');
SELECT name, setting FROM failover_settings WHERE group_name = 'g' AND source = 'group';
SELECT failover_apply_profile('g', 'aggressive');
SELECT name, setting FROM failover_settings WHERE group_name = 'g' AND source = 'group';
SELECT failover_apply_profile('g', 'production');
SELECT name, setting FROM failover_settings WHERE group_name = 'g' AND source = 'group';

SELECT kind, message, detail FROM failover_events WHERE kind IN ('setting_changed', 'profile_applied') ORDER BY event_id;
SELECT failover_drop_group('g');
