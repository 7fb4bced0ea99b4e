-- The lane, the turn, and which of its entries were told.
local lane, turn = ARGV[3], ARGV[4]
if call('HGET', TURNS, lane) ~= turn then return false end
local has_customer = lane ~= '' and call('HGET', CUSTOMER(lane), 'number')
for at = 5, #ARGV do
  local kind, id = ARGV[at]:sub(1, 1), ARGV[at]:sub(2)
  if kind == 'n' then call('XDEL', NEWS(lane), id)
  elseif has_customer then
    local entry = call('XRANGE', MAIL(lane), id, id)[1]
    if entry then
      local data = field(entry, 'd')
      call('XDEL', MAIL(lane), id)
      if field(entry, 'r') then call('HINCRBY', CUSTOMER(lane), 'again', -1)
      else call('HINCRBY', CUSTOMER(lane), 'bytes', -#data) end
      forget_old(lane)
      call('XADD', SENT(lane), 'MAXLEN', WINDOW_MESSAGES_MAX, '*', 'd', data, 't', now)
    end
  end
end
local given = {}
for _, entry in ipairs(call('XRANGE', NEWS(lane), '-', '+', 'COUNT', ENTRIES_MAX)) do
  given[#given + 1] = {'n' .. entry[1], entry[2]}
end
local key = has_customer and call('HGET', CUSTOMER(lane), 'agent') or ''
if #given < ENTRIES_MAX and key ~= '' and is_online(key) then
  for _, entry in ipairs(call('XRANGE', MAIL(lane), '-', '+', 'COUNT', ENTRIES_MAX - #given)) do
    given[#given + 1] = {'m' .. entry[1], {'k', 'm', 'a', id_of(key), 'd', field(entry, 'd'), 'w', '1'}}
  end
end
if #given == 0 then
  call('ZREM', DUE, lane)
  call('HDEL', TURNS, lane)
else call('ZADD', DUE, now + LEASE, lane) end
empty(NEWS(lane))
if lane ~= '' then empty(MAIL(lane)) end
return given
