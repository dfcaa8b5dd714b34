/*
 * `lunasip user`: users with passwords in Kamailio's `subscriber` table, as kamctl keeps them. It asks the
 * database itself; no engine need run.
 */
#pragma once

/** What `lunasip user` takes, for people. */
extern const char user_command_usage[];
/**
 * @param lua_dir  for reading the configuration. @param argv  words behind `user`
 * @return process exit code: 0; 1 (there already, not there, or the database cannot be asked: said on stderr);
 *         2 (bad usage); 3 (configuration)
 */
int user_command(const char *lua_dir, int argc, char *const argv[]);
