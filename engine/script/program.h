/* Lua programs that the command runs: `lunasip demo`, `lunasip test`. */
#pragma once

/**
 * Run lua/lunasip/MODULE.lua, a function of the word list that returns an exit code, in a state of
 * its own with the full standard library.
 * @return its exit code; 3 with one line on stderr when it fails
 */
int program_run(const char *lua_dir, const char *module, int argc, char *const argv[]);
