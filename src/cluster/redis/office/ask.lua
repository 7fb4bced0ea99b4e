-- The customer, its name, the hash of its id, and what it says.
local id, name, hash, data = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local is = call('HMGET', CUSTOMER(id), 'number', 'agent', 'bytes', 'again')
local key = is[2] or ''
if is[1] then
  local bytes, waiting = tonumber(is[3]), call('XLEN', MAIL(id)) - is[4]
  local fits = waiting < MESSAGES_MAX and bytes + #data <= MESSAGE_BYTES_MAX
  local is_alone = waiting == 0 and key ~= '' and is_online(key)
  if not (fits or is_alone) then return {'too_many'} end
else
  local waiting = call('ZCARD', QUEUE)
  if waiting >= QUEUE_MAX or call('ZCARD', ALL) >= CUSTOMERS_MAX then return {'too_many'} end
  local number = call('HINCRBY', META, 'number', 1)
  call('HSET', CUSTOMER(id), 'number', number, 'agent', '', 'told', '', 'bytes', 0, 'again', 0, 'hash', hash)
  call('ZADD', ALL, number, id)
  call('ZADD', QUEUE, number, id)
  fresh = id
end
call('HSET', CUSTOMER(id), 'name', name, 'last', now)
call('HINCRBY', CUSTOMER(id), 'bytes', #data)
call('XADD', MAIL(id), '*', 'd', data)
if fresh then
  serve()
  tell_places()
elseif key ~= '' then
  call('ZADD', WORDS, now, id)
  if is_online(key) then mark(id) end
end
return result()
