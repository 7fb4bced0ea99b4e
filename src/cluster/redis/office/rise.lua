-- The session, and whether its node has died.
local session, died = ARGV[3], ARGV[4]
call('ZADD', RISEN, now, session)
local key = call('HGET', SEATS, session)
if not key then return result() end
call('HDEL', SEATS, session)
if call('HINCRBY', AGENT(key), 'seats', -1) > 0 then
  if died == '1' then
    -- What was on its way to this seat may be lost, although the agent has come back meanwhile.
    for _, customer in ipairs(call('ZRANGE', SERVED(key), 0, -1)) do
      forget_sent(customer, died)
      if call('XLEN', MAIL(customer)) > 0 then mark(customer) end
    end
  end
  return result()
end
call('ZREM', ONLINE, key)
call('ZREM', LOAD, key)
call('ZADD', AWAY, now, key)
call('HSET', AGENT(key), 'since', now)
tell_agent(key, 0)
for _, customer in ipairs(call('ZRANGE', SERVED(key), 0, -1)) do forget_sent(customer, died) end
return result()
