//! What runs inside the Redis server: each is one atomic step.
//!
//! `KEYS[1]` is the state of the store, a hash: `fence` counts those who ever held the lease, `holder` is the token of the
//! newest, `counter` the number of transactions. `KEYS[2]` is the lease: the same token and a number that goes up with each
//! renewal. It never runs out by itself, for no clock of the server is to be trusted: who wants it watches on its own clock
//! whether it is renewed. **The lease says when another process may take over; the token keeps the one before from writing.**
//! So everything that changes something needs the token to be the newest, and minds no lease.

/// Takes the lease, if nobody has it, or who has it has not renewed it. Arguments: random text for the token; the lease as it
/// was seen for too long, or nothing.
pub(super) const ACQUIRE: &str = r"
local held = redis.call('GET', KEYS[2])
local counter = redis.call('HGET', KEYS[1], 'counter') or '0'
if held and held ~= ARGV[2] then return {'held', held, counter} end
local token = tostring(redis.call('HINCRBY', KEYS[1], 'fence', 1)) .. ':' .. ARGV[1]
redis.call('HSET', KEYS[1], 'holder', token)
redis.call('SET', KEYS[2], token .. ' 0')
return {'taken', token, counter}
";

/// Keeps the lease. Arguments: token, counter, number of the renewal.
pub(super) const RENEW: &str = r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'fenced'} end
if (redis.call('HGET', KEYS[1], 'counter') or '0') ~= ARGV[2] then return {'counter'} end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[3])
return {'done'}
";

/// Gives the lease back. Argument: token.
pub(super) const RELEASE: &str = r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'fenced'} end
redis.call('DEL', KEYS[2])
return {'done'}
";

/// Removes what an interrupted attempt to make a store left: `KEYS[3]` and on. Argument: token.
pub(super) const CLEAR: &str = r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'fenced'} end
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
return {'done'}
";

/// One transaction. `KEYS[3]` and on are the tables, hashes. Arguments: token, counter before, counter after, number of
/// the renewal that it is as well; then for each write four: `put`, `create`, `delete` or `take`, place of its table in
/// `KEYS`, record key, value. Everything that can refuse comes before the first change: Redis does not undo what a script has
/// done.
pub(super) const TRANSACT: &str = r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'fenced'} end
if (redis.call('HGET', KEYS[1], 'counter') or '0') ~= ARGV[2] then return {'counter'} end
for i = 3, #KEYS do redis.call('HLEN', KEYS[i]) end
local there = {}
for i = 5, #ARGV, 4 do
  local what, hash, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]
  local known = there[hash]
  if not known then
    known = {}
    there[hash] = known
  end
  if what == 'create' then
    local exists = known[key]
    if exists == nil then exists = redis.call('HEXISTS', hash, key) == 1 end
    if exists then return {'exists', tostring((i - 5) / 4)} end
  end
  known[key] = what == 'put' or what == 'create'
end
redis.call('HSET', KEYS[1], 'counter', ARGV[3])
local taken = false
for i = 5, #ARGV, 4 do
  local what, hash, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]
  if what == 'put' or what == 'create' then
    redis.call('HSET', hash, key, ARGV[i + 3])
  else
    if what == 'take' then taken = redis.call('HGET', hash, key) end
    redis.call('HDEL', hash, key)
  end
end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[4])
return {'done', taken}
";

/// Gives a new store its name: the drafts of the tables, the first half of `KEYS[3]` and on, become the tables, the other
/// half. Arguments: token.
pub(super) const PUBLISH: &str = r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'fenced'} end
local half = (#KEYS - 2) / 2
for i = 3 + half, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return {'exists'} end
end
for i = 3, 2 + half do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('RENAME', KEYS[i], KEYS[i + half]) end
end
return {'done'}
";
