-- Behind which number, and how many; or of which customer alone.
local after, max, one = ARGV[3], ARGV[4], ARGV[5]
local agents, customers = {}, {}
local function add_agents(keys, online)
  for _, key in ipairs(keys) do
    local is = call('HMGET', AGENT(key), 'name', 'since')
    agents[#agents + 1] = {id_of(key), is[1] or '', online, is[2] or '0', call('ZCARD', SERVED(key))}
  end
end
local ids = {one}
if not one then
  add_agents(call('ZRANGE', ONLINE, 0, -1), 1)
  add_agents(call('ZRANGE', AWAY, 0, -1), 0)
  ids = call('ZRANGEBYSCORE', ALL, '(' .. after, '+inf', 'LIMIT', 0, max)
end
local places
local function place(id)
  if not places then
    places = {}
    for at, waiting in ipairs(call('ZRANGE', QUEUE, 0, -1)) do places[waiting] = at end
  end
  return places[id] or 0
end
for _, id in ipairs(ids) do
  local is = call('HMGET', CUSTOMER(id), 'number', 'name', 'agent', 'last')
  if is[1] then
    local agent, name = party(is[3])
    customers[#customers + 1] = {id, is[2], is[1], agent, name, is[3] == '' and place(id) or 0, is[4]}
  end
end
return {agents, customers, figures()}
