-- Whose customer it has to be, if anybody's, the customer, and the agent that it is given to.
local by, id, to = ARGV[3], ARGV[4], key_of(ARGV[5])
local is, refusal = owner(id, by)
if not is then return {refusal} end
if not is_online(to) then return {'no_agent'} end
if is[2] == to then return result() end
detach(id, is[2])
assign(id, to, is[1], is[3])
count(TRANSFERRED)
tell(id, is[4], to, is[2] ~= '' and id_of(is[2]) or '', '')
tell_places()
return result()
