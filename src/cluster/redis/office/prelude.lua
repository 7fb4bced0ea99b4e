-- What the scripts of the office have in common. The twin in src/office/state does the same.
-- KEYS[1]: what all keys begin with. ARGV: how far ahead of the clock, the strategy, and what a script needs.
local LEASE, WINDOW, WINDOW_MESSAGES_MAX, RISEN_KEPT = 5000, 15000, 100, 3600000
local QUEUE_MAX, CUSTOMERS_MAX, AGENTS_MAX = 10000, 100000, 1000
local MESSAGES_MAX, MESSAGE_BYTES_MAX = 20, 65536
local TOLD_MAX, STEP, TURNS_MAX, ENTRIES_MAX = 50, 200, 200, 32

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local P, strategy = KEYS[1], ARGV[2]
local META, SEATS, RISEN, TURNS = P .. 'meta', P .. 'seats', P .. 'risen', P .. 'turns'
local ONLINE, LOAD, AWAY = P .. 'online', P .. 'load', P .. 'away'
local ALL, QUEUE, WORDS, DUE = P .. 'all', P .. 'queue', P .. 'words', P .. 'due'

local function AGENT(key) return P .. 'agent:' .. key end
local function SERVED(key) return P .. 'served:' .. key end
local function CUSTOMER(id) return P .. 'customer:' .. id end
local function NEWS(lane) return P .. 'news:' .. lane end
local function MAIL(id) return P .. 'mail:' .. id end
local function SENT(id) return P .. 'sent:' .. id end

-- Who is fresh in this call, who has lost which agent in it, and what comes of it.
local fresh, former = nil, {}
local turns, assigned, dropped = {}, {0, 0, 0, 0}, 0
local NEW, FROM_QUEUE, REASSIGNED, TRANSFERRED = 1, 2, 3, 4

local function result() return {'done', turns, assigned, dropped} end

-- The place of an agent in the order, as a text whose bytes have it.
local function key_of(id)
  if id:find('^[1-9]%d*$') then return string.format('0%04d', #id) .. id end
  return '1' .. id
end
local function id_of(key)
  if key:sub(1, 1) == '0' then return key:sub(6) end
  return key:sub(2)
end
local function is_online(key) return call('ZSCORE', ONLINE, key) and true or false end

-- The rest of a number of any length.
local function rest(digits, count)
  local so_far = 0
  for digit in digits:gmatch('%d') do so_far = (so_far * 10 + digit) % count end
  return so_far
end

local function take_turn(lane)
  local turn = call('HINCRBY', META, 'turn', 1)
  call('HSET', TURNS, lane, turn)
  call('ZADD', DUE, now + LEASE, lane)
  turns[#turns + 1] = {lane, turn}
end

-- A lane has something to be told: it is the caller's turn, unless somebody else is at it.
local function mark(lane)
  local till = call('ZSCORE', DUE, lane)
  if till and now < tonumber(till) then return end
  if #turns < TURNS_MAX then return take_turn(lane) end
  call('HDEL', TURNS, lane)
  call('ZADD', DUE, now, lane)
end

local function party(key)
  if key == '' then return '', '' end
  return id_of(key), call('HGET', AGENT(key), 'name') or ''
end

local function tell_agent(key, online)
  local id, name = party(key)
  call('XADD', NEWS(''), '*', 'k', 'a', 'i', id, 'n', name, 'o', online)
  mark('')
end

-- How a customer stands now: name, agent, the one it had, place.
local function tell(id, name, key, had, place)
  local agent, agent_name = party(key)
  call('XADD', NEWS(id), '*', 'k', 'c', 'n', name, 'a', agent, 'an', agent_name, 'f', had, 'p', place)
  mark(id)
end

-- How many customers an agent has, where the least is looked for.
local function weigh(key)
  if is_online(key) then call('ZADD', LOAD, call('ZCARD', SERVED(key)), key) end
end

local function pick(id)
  local count = call('ZCARD', ONLINE)
  if count == 0 then return nil end
  if strategy == 'least_loaded' then return call('ZRANGE', LOAD, 0, 0)[1] end
  local at
  if strategy == 'round_robin' and id:find('^[1-9]%d*$') then at = (rest(id, count) - 1) % count
  else at = call('HGET', CUSTOMER(id), 'hash') % count end
  return call('ZRANGE', ONLINE, at, at)[1]
end

-- Takes a customer from its agent, or out of the queue.
local function detach(id, key)
  if key == '' then call('ZREM', QUEUE, id) return end
  call('ZREM', SERVED(key), id)
  call('ZREM', WORDS, id)
  weigh(key)
end

local function assign(id, key, number, last)
  call('HSET', CUSTOMER(id), 'agent', key, 'told', '')
  call('ZADD', SERVED(key), number, id)
  call('ZADD', WORDS, last, id)
  weigh(key)
end

local function count(reason) assigned[reason] = assigned[reason] + 1 end

-- Gives agents to those who wait for the longest. Says how many.
local function serve()
  if call('ZCARD', ONLINE) == 0 then return 0 end
  local waiting = call('ZRANGE', QUEUE, 0, STEP - 1)
  for _, id in ipairs(waiting) do
    local key = pick(id)
    local is = call('HMGET', CUSTOMER(id), 'number', 'last', 'name')
    count(id == fresh and NEW or former[id] and REASSIGNED or FROM_QUEUE)
    detach(id, '')
    assign(id, key, is[1], is[2])
    tell(id, is[3], key, former[id] or '', '')
    former[id] = nil
  end
  return #waiting
end

local function tell_place(id, place)
  local name = call('HGET', CUSTOMER(id), 'name')
  call('HSET', CUSTOMER(id), 'told', place)
  tell(id, name, '', former[id] or '', place)
  former[id] = nil
end

-- Tells those who wait where they stand: who is fresh, who has lost its agent, and whoever stands elsewhere
-- now at the head of the queue.
local function tell_places()
  for place, id in ipairs(call('ZRANGE', QUEUE, 0, TOLD_MAX - 1)) do
    local told = call('HGET', CUSTOMER(id), 'told')
    if told ~= tostring(place) or former[id] then tell_place(id, place) end
  end
  local length = call('ZCARD', QUEUE)
  if length <= TOLD_MAX then return end
  if next(former) then
    for place, id in ipairs(call('ZRANGE', QUEUE, 0, -1)) do
      if former[id] then tell_place(id, place) end
    end
  end
  if fresh and call('ZSCORE', QUEUE, fresh) then tell_place(fresh, length) end
end

-- Whose a customer is, if it is that of `by` or if that does not matter; else why it is refused.
local function owner(id, by)
  local is = call('HMGET', CUSTOMER(id), 'number', 'agent', 'last', 'name')
  if not is[1] then return nil, 'no_customer' end
  if by ~= '' and is[2] ~= key_of(by) then return nil, 'not_yours' end
  return is
end

local function empty(stream) if call('XLEN', stream) == 0 then call('DEL', stream) end end

-- The value of a field of an entry of a stream.
local function field(entry, name)
  for at = 1, #entry[2], 2 do if entry[2][at] == name then return entry[2][at + 1] end end
end

local function forget_old(id)
  for _, entry in ipairs(call('XRANGE', SENT(id), '-', '+', 'COUNT', WINDOW_MESSAGES_MAX)) do
    if tonumber(field(entry, 't')) >= now - WINDOW then return end
    call('XDEL', SENT(id), entry[1])
  end
end

-- Nothing is remembered of what was passed on to an agent whose seats are gone; if that was lost, it is to be
-- passed on again.
local function forget_sent(id, died)
  if call('XLEN', SENT(id)) == 0 then return end
  forget_old(id)
  if died == '1' then
    local again, waiting = call('XRANGE', SENT(id), '-', '+'), call('XRANGE', MAIL(id), '-', '+')
    call('DEL', MAIL(id))
    for _, entry in ipairs(again) do call('XADD', MAIL(id), '*', 'd', field(entry, 'd'), 'r', '1') end
    for _, entry in ipairs(waiting) do call('XADD', MAIL(id), '*', unpack(entry[2])) end
    call('HINCRBY', CUSTOMER(id), 'again', #again)
  end
  call('DEL', SENT(id))
end

-- Releases a customer, of whom this is known.
local function let_go(id, is)
  local key = is[2]
  detach(id, key)
  call('ZREM', ALL, id)
  local waiting = call('XRANGE', MAIL(id), '-', '+')
  if key ~= '' and is_online(key) then
    for _, entry in ipairs(waiting) do
      call('XADD', NEWS(id), '*', 'k', 'm', 'a', id_of(key), 'd', field(entry, 'd'))
    end
  else dropped = dropped + #waiting end
  call('DEL', CUSTOMER(id), MAIL(id), SENT(id))
  tell(id, is[4], '', key ~= '' and id_of(key) or '', '')
end

local function figures()
  local waiting = call('ZCARD', QUEUE)
  return {call('ZCARD', ALL) - waiting, waiting, call('ZCARD', ONLINE), call('ZCARD', DUE)}
end
