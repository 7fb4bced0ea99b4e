-- How long an agent may be away, and a customer say nothing.
local reassign_after, idle = tonumber(ARGV[3]), tonumber(ARGV[4])
local given_up = 0
for _, key in ipairs(call('ZRANGEBYSCORE', AWAY, '-inf', now - reassign_after)) do
  if given_up < STEP then
    local left = STEP - given_up
    for _, id in ipairs(call('ZRANGE', SERVED(key), 0, left - 1)) do
      given_up = given_up + 1
      call('ZREM', SERVED(key), id)
      call('ZREM', WORDS, id)
      call('HSET', CUSTOMER(id), 'agent', '')
      call('ZADD', QUEUE, call('HGET', CUSTOMER(id), 'number'), id)
      former[id] = id_of(key)
    end
  end
  if call('ZCARD', SERVED(key)) == 0 then
    call('ZREM', AWAY, key)
    call('DEL', AGENT(key))
  end
end
local served = serve()
if given_up + served > 0 then tell_places() end
local silent = call('ZRANGEBYSCORE', WORDS, '-inf', now - idle, 'LIMIT', 0, STEP)
for _, id in ipairs(silent) do let_go(id, (owner(id, ''))) end
for _, session in ipairs(call('ZRANGEBYSCORE', RISEN, '-inf', now - RISEN_KEPT, 'LIMIT', 0, STEP)) do
  call('ZREM', RISEN, session)
end
for _, lane in ipairs(call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, TURNS_MAX)) do
  if #turns < TURNS_MAX then take_turn(lane) end
end
local has_more = #turns == TURNS_MAX or given_up == STEP or served == STEP or #silent == STEP
return {result(), has_more and 1 or 0, figures()}
