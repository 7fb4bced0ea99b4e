-- The agent, its name, the session.
local id, name, session = ARGV[3], ARGV[4], ARGV[5]
if call('ZSCORE', RISEN, session) then return {'gone'} end
local key = key_of(id)
local is_known = is_online(key) or call('ZSCORE', AWAY, key)
if not is_known and call('ZCARD', ONLINE) + call('ZCARD', AWAY) >= AGENTS_MAX then return {'too_many'} end
call('HSET', AGENT(key), 'name', name)
if not call('HGET', SEATS, session) then
  call('HSET', SEATS, session, key)
  if call('HINCRBY', AGENT(key), 'seats', 1) == 1 then
    call('ZREM', AWAY, key)
    call('ZADD', ONLINE, 0, key)
    weigh(key)
    call('HSET', AGENT(key), 'since', now)
    tell_agent(key, 1)
    for _, customer in ipairs(call('ZRANGE', SERVED(key), 0, -1)) do
      if call('XLEN', MAIL(customer)) > 0 then mark(customer) end
    end
  end
end
serve()
tell_places()
return result()
