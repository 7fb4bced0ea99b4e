-- Gives messages again that the database had refused, after it was mended:
--
--     redis-cli --eval replay-dead.lua tg:mq tg:mq:dead
--
-- They get new ids, and so the time of now: a stream takes nothing that is older than its newest entry.
-- What is no message of this gateway stays where it is. Says how many were given. Both keys have to be
-- on one server, which those of a Redis Cluster may not be.
local stream, dead = KEYS[1], KEYS[2]
local last = redis.call('TIME')[1] * 1000 * 1024
local info = redis.call('XINFO', 'STREAM', stream)
for at = 1, #info, 2 do
  if info[at] == 'last-generated-id' then
    last = math.max(last, tonumber(string.match(info[at + 1], '^%d+')))
  end
end
local count = 0
for _, entry in ipairs(redis.call('XRANGE', dead, '-', '+')) do
  local fields, body = entry[2], nil
  for at = 1, #fields, 2 do
    if fields[at] == 'm' then body = fields[at + 1] end
  end
  -- JSON is what an older chat server has written: that belongs into the list MQ.
  if body and string.sub(body, 1, 1) ~= '{' then
    last = last + 1
    redis.call('XADD', stream, string.format('%.0f-0', last), 'm', body)
    redis.call('XDEL', dead, entry[1])
    count = count + 1
  end
end
return count
