--- baresip as a phone without a sound card: says a tone from a file, keeps what it heard in a file.
local namespaces = require "support.namespaces"
local posix = require "support.posix"
local process = require "support.process"
local tone = require "support.tone"
local text_file = require "support.text_file"

local M = {}
local Phone = {}
Phone.__index = Phone
local phones = 0

local write = text_file.write

--- Start a phone. options: name, host (its SIP address, port 5060), frequency (of its tone), outbound ("host:port"),
-- dial (URI, for a caller; others answer by themselves), account (its line, instead of one without password),
-- on (a host of support.namespaces)
function M.start(options)
    local folder = process.folder()
    -- baresip binds RTP to every address, so on loopback it sends from 127.0.0.1: that is also what its SDP must say.
    phones = phones + 1
    local first_port = 12000 + (posix.pid() % 100) * 40 + (phones % 2) * 20
    tone.write(folder .. "/said.wav", options.frequency, 30)
    write(folder .. "/config", ([[
sip_listen %s:5060
net_interface %s
audio_path /usr/share/baresip
audio_source aufile,%s/said.wav
audio_player aufile,%s/played.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports %d-%d
rtcp_mux no
rtp_stats yes
call_max_calls 4
module_path /usr/lib/baresip/modules
snd_path %s
module g711.so
module aufile.so
module sndfile.so
module_app account.so
module_app menu.so
]]):format(options.host, options.on and options.host or "127.0.0.1", folder, folder,
        first_port, first_port + 19, folder))
    local account = options.account or ('<sip:%s@%s;transport=udp>;regint=0%s'):format(options.name, options.host,
        options.outbound and (';outbound="sip:%s"'):format(options.outbound) or "")
    local answers = options.dial and "" or ";answermode=auto"
    write(folder .. "/accounts", ("%s;audio_codecs=PCMA%s\n"):format(account, answers))
    write(folder .. "/contacts", "")
    local command = { "baresip", "-f", folder }
    if options.dial then
        command[#command + 1] = "-e"
        command[#command + 1] = "/dial " .. options.dial
    end
    if options.on then command = namespaces.command(options.on, command) end
    local self = setmetatable({ folder = folder, name = options.name }, Phone)
    self.process = process.start { command = command, name = "baresip " .. options.name, directory = folder }
    self.process:wait_for_output("baresip is ready", 60)
    return self
end

--- Wait until the registrar has said 200.
function Phone:wait_registered(seconds) return self.process:wait_for_output("} 200 OK .-%[%d+ binding", seconds) end

--- Wait until the call is up.
function Phone:wait_established(seconds) return self.process:wait_for_output("Call established", seconds) end

--- Hang up and end. @return { sent, received } packets as baresip counted them, and its output
function Phone:hang_up()
    local code = self.process:stop(60)
    return self:packets(), code
end

--- Packets that baresip counted when its call ended: { sent =, received = }; nil before.
function Phone:packets()
    local sent, received = self.process:output():match "packets:%s+(%d+)%s+(%d+)"
    if not sent then sent, received = (self.process.saved_output or ""):match "packets:%s+(%d+)%s+(%d+)" end
    return sent and { sent = tonumber(sent), received = tonumber(received) } or nil
end

--- Wait for the far side's hang-up.
function Phone:wait_ended(seconds)
    return posix.wait_until(function() return self:packets() end, seconds)
end

--- Seconds of sound that it heard so far.
function Phone:seconds_heard() return select(2, self:heard()) end

--- Frequency and seconds of what it heard; a stream that was held before has a file of its own.
function Phone:heard()
    local pipe = assert(io.popen("ls -S " .. self.folder .. "/*dec.wav 2>/dev/null"))
    local path = pipe:read "*l"
    pipe:close()
    if not path then return 0, 0 end
    return tone.measure(path)
end

return M
