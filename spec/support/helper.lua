-- Loaded by busted before every spec file: where Lua finds the runtime library and the test support,
-- and which build of the engine the lab loads (LUNASIP_BUILD, default "build").
local build = os.getenv "LUNASIP_BUILD" or "build"

package.path = table.concat({
    "lua/?.lua", "lua/?/init.lua", "spec/?.lua", "modules/?.lua", package.path,
}, ";")
package.cpath = build .. "/?.so;" .. package.cpath

return { build = build }
