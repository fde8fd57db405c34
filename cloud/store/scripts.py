"""Lua that Redis runs as one step.

Keys that a script finds on its way (a pass by its token) are not declared beforehand, so the
store is for one Redis (standalone, Sentinel, managed), not for a Redis Cluster.
"""

from cloud.store.transaction import RUN, UNCHANGED

AMEND = """
-- Change a record only while it is there and a field of it has the value that is expected.
-- KEYS: record, and counters where the change is counted
-- ARGV: field, its expected value, then field, value, ...; the counter's field where there is one
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
local last = #ARGV
if KEYS[2] then
  redis.call('HINCRBY', KEYS[2], ARGV[last], 1)
  last = last - 1
end
local fields = {}
for i = 3, last do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
return 1
"""

MOVE_COUNTERS = """
-- Add counters to others and remove them.
-- KEYS: counters, counters that they are added to; ARGV: field there, field here, ...
for i = 1, #ARGV, 2 do
  local number = redis.call('HGET', KEYS[1], ARGV[i])
  if number then
    redis.call('HINCRBY', KEYS[2], ARGV[i + 1], number)
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""

REDEEM = (
    UNCHANGED
    + RUN
    + """
-- Settle one attempt to use a token. The answer is kept, so that a repeated attempt gets it again.
-- Whether the gate is closed is read here, so that nobody is admitted on an earlier look at it.
-- KEYS: answer to this attempt, pass id by token, counters, gates, attempts, attempts at this gate
-- ARGV: prefix of pass keys, gate of the scanner, now (ms since 1970), lifetime of the answer (ms),
-- counter of redemptions, preconditions, who redeems, nonce, their name, their role, oldest attempt
-- that is kept (ms since 1970), commands that tell of an admission (JSON, empty for none), when a
-- door admitted the bearer without the cloud (ms since 1970, empty for an attempt of now).
-- Answers nil where the preconditions do not hold, and 0 where there is no such gate: then nothing
-- is written.
local prefix, at_gate, now, lifetime, counter, preconditions = unpack(ARGV)
local who, nonce, name, role, oldest, told = unpack(ARGV, 7, 12)
local admitted = ARGV[13] ~= '' and ARGV[13] or nil
local happened = admitted or now
if not unchanged(preconditions) then return false end
local gate = redis.call('HGET', KEYS[4], at_gate)
if not gate then return 0 end
local answered = redis.call('GET', KEYS[1])
if answered then return answered end

local answer = {outcome = 'unknown', at = now}
local pass_id = redis.call('GET', KEYS[2])
if pass_id then
  local key = prefix .. pass_id
  local pass = redis.call('HMGET', key, 'gate', 'status', 'expires_at', 'redeemed_at',
    'redeemed_gate', 'redeemed_answer')
  if pass[1] then
    answer.pass_id = pass_id
    if pass[1] ~= at_gate then
      answer.outcome = 'wrong_gate'
    elseif pass[2] == 'revoked' then
      answer.outcome = 'revoked'
    elseif pass[2] == 'redeemed' and admitted and pass[6] == KEYS[1] then
      -- A door reports an attempt that the cloud had settled, though its answer was lost.
      answer.outcome = 'admitted'
      answer.redeemed_at = pass[4]
      answer.redeemed_gate = pass[5]
    elseif pass[2] == 'redeemed' then
      answer.outcome = 'already_redeemed'
      answer.redeemed_at = pass[4]
      answer.redeemed_gate = pass[5]
    elseif tonumber(happened) >= tonumber(pass[3]) then
      answer.outcome = 'expired'
    elseif not admitted and cjson.decode(gate).closed == true then
      answer.outcome = 'gate_closed'
    elseif redis.call('HEXISTS', key, 'undone:' .. nonce .. ':' .. who) == 1 then
      -- A request that comes again after its attempt was undone: nobody stands at the door now.
      answer.outcome = 'undone'
    else
      redis.call('HSET', key, 'status', 'redeemed', 'redeemed_at', happened, 'redeemed_gate',
        at_gate, 'redeemed_by', who, 'redeemed_answer', KEYS[1])
      redis.call('HINCRBY', KEYS[3], counter, 1)
      if told ~= '' then run(told) end
      answer.outcome = 'admitted'
      answer.redeemed_at = happened
      answer.redeemed_gate = at_gate
    end
  end
end
local attempt = {'at', now, 'gate', at_gate, 'key', who, 'name', name, 'role', role, 'nonce', nonce,
  'outcome', answer.outcome, 'pass', answer.pass_id or '', 'admitted_at', admitted or ''}
answer.cursor = redis.call('XADD', KEYS[5], 'MINID', '~', oldest, '*', unpack(attempt))
redis.call('XADD', KEYS[6], 'MINID', '~', oldest, answer.cursor, unpack(attempt))
local encoded = cjson.encode(answer)
redis.call('SET', KEYS[1], encoded, 'PX', lifetime)
return encoded
"""
)

BEGIN = """
-- Take a pending delivery in hand for a while, so that no other worker sends it too.
-- KEYS: delivery; ARGV: how long (ms). Answers the milliseconds that another holds it for, or nil
-- where there is nothing to send, or the record.
local held = redis.call('HMGET', KEYS[1], 'status', 'held_until')
if held[1] ~= 'pending' then return false end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local till = tonumber(held[2] or '') or 0
if till > now then return till - now end
redis.call('HSET', KEYS[1], 'held_until', now + tonumber(ARGV[1]))
return redis.call('HGETALL', KEYS[1])
"""

RENEW_LEASE = """
-- Renew the time for which a delivery is in hand, if it is. KEYS: delivery; ARGV: how long (ms).
local held = redis.call('HMGET', KEYS[1], 'status', 'held_until')
if held[1] ~= 'pending' or not held[2] or held[2] == '0' then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'held_until', now + tonumber(ARGV[1]))
return 1
"""

UNDO = (
    UNCHANGED
    + RUN
    + """
-- Make a redeemed pass good again, once for each attempt that redeemed it. The pass remembers the
-- attempts that were undone, so that a repeated request undoes no later redemption.
-- KEYS: pass, counters
-- ARGV: when it was redeemed, as the caller read it (ms; empty where it was not), oldest redemption
-- that may be undone (ms), whose attempts may be undone (empty for everybody's), counter of
-- redemptions, nonce of the attempt (empty where it was not told), now (ms), prefix of the keys
-- that mark attempts as undone, how long they are kept (ms), preconditions, commands that tell of
-- it (JSON, empty for none)
local at, oldest, whose, counter, nonce, now, prefix, lifetime, preconditions, told = unpack(ARGV)
if not unchanged(preconditions) then return 'changed' end
local pass = redis.call('HMGET', KEYS[1], 'status', 'redeemed_at', 'redeemed_by', 'redeemed_answer',
  'undone_at')
if nonce == '' then
  if pass[5] then return 'nonce_needed' end
else
  local undone = 'undone:' .. nonce .. ':' .. whose
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field == undone or (whose == '' and field:sub(1, #undone) == undone) then
      return 'repeated'
    end
  end
end
if pass[1] ~= 'redeemed' then return 'not_redeemed' end
if pass[2] ~= at then return 'changed' end
-- The key of the answer says which attempt it was: it ends in key id, nonce, gate and token's hash.
local key_id, admitted = string.match(pass[4] or '', ':([^:]*):([^:]*):[^:]*:[^:]*$')
if nonce ~= '' and nonce ~= admitted then return 'other_nonce' end
if whose ~= '' and whose ~= pass[3] then return 'other_scanner' end
if tonumber(at) < tonumber(oldest) then return 'too_late' end
redis.call('HSET', KEYS[1], 'status', 'issued', 'undone_at', now)
if admitted then redis.call('HSET', KEYS[1], 'undone:' .. admitted .. ':' .. key_id, now) end
redis.call('HDEL', KEYS[1], 'redeemed_at', 'redeemed_gate', 'redeemed_by', 'redeemed_answer')
if pass[4] then
  -- An answer of an earlier version names no attempt, and none is listed.
  local answer = redis.call('GET', pass[4])
  local cursor = answer and cjson.decode(answer).cursor
  if cursor then redis.call('SET', prefix .. cursor, now, 'PX', lifetime) end
  redis.call('DEL', pass[4])
end
redis.call('HINCRBY', KEYS[2], counter, -1)
if told ~= '' then run(told) end
return 'undone'
"""
)
