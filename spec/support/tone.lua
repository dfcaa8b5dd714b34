--- Sine tones as WAV files (8 kHz, mono, 16 bit): written for a phone to say, measured in what a phone heard.
local M = {}
local rate = 8000

local function little(value, bytes)
    local text = {}
    for i = 1, bytes do
        text[i] = string.char(value % 256)
        value = math.floor(value / 256)
    end
    return table.concat(text)
end

--- Write `seconds` of a tone.
function M.write(path, frequency, seconds)
    local samples = {}
    for i = 0, rate * seconds - 1 do
        samples[#samples + 1] = little(math.floor(8000 * math.sin(2 * math.pi * frequency * i / rate)) % 65536, 2)
    end
    local data = table.concat(samples)
    local file = assert(io.open(path, "wb"))
    file:write("RIFF", little(36 + #data, 4), "WAVEfmt ", little(16, 4), little(1, 2), little(1, 2), little(rate, 4),
        little(rate * 2, 4), little(2, 2), little(16, 2), "data", little(#data, 4), data)
    file:close()
end

--- Frequency in Hz of what a WAV file holds (by its upward zero crossings, silence left out), and seconds of sound.
function M.measure(path)
    local file = assert(io.open(path, "rb"))
    local data = file:read("*a"):sub(45)
    file:close()
    local crossings, loud, previous = 0, 0, 0
    for i = 1, #data - 1, 2 do
        local low, high = data:byte(i, i + 1)
        local sample = low + high * 256
        if sample >= 32768 then sample = sample - 65536 end
        if sample > 200 or sample < -200 then
            loud = loud + 1
            if previous < 0 and sample > 0 then crossings = crossings + 1 end
            previous = sample
        end
    end
    -- Samples near zero are part of a tone too: 8000 * sin(x) is within 200 of zero for 1.6 % of it.
    local seconds = loud / 0.984 / rate
    return seconds > 0 and crossings / seconds or 0, seconds
end

return M
