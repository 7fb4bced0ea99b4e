-- Whose customer it has to be, if anybody's, and the customer.
local by, id = ARGV[3], ARGV[4]
local is, refusal = owner(id, by)
if not is then return {refusal} end
let_go(id, is)
tell_places()
return result()
