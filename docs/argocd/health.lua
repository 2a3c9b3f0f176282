-- Argo CD health of the kinds in clinch.hireez.dev, from the conditions that the operator writes.
-- Without a script Argo CD treats a custom resource as healthy. No Lua libraries are used, because
-- Argo CD disables them by default.
local health = {}

local function say(status, message)
  health.status = status
  health.message = message
  return health
end

local status = obj.status
if status == nil or status.conditions == nil then
  return say("Progressing", "not seen by the operator yet")
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration ~= obj.metadata.generation then
  return say("Progressing", "the latest change has not been seen by the operator yet")
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local function is_true(name)
  return found[name] ~= nil and found[name].status == "True"
end

if is_true("Suspended") then
  return say("Suspended", found["Suspended"].message)
end
if is_true("Stalled") then
  return say("Degraded", found["Stalled"].message)
end
if is_true("Reconciling") then
  return say("Progressing", found["Reconciling"].message)
end
if is_true("Ready") then
  return say("Healthy", found["Ready"].message)
end
if found["Ready"] ~= nil and found["Ready"].status == "False" then
  return say("Degraded", found["Ready"].message)
end
return say("Progressing", "no verdict yet")
