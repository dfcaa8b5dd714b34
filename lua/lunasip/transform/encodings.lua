--- Encodings behind {s.encode.…}, {s.decode.…}, {s.escape.…} and {s.corehash}.
local M = { encode = {}, decode = {}, escape = {}, unescape = {} }

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
local BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
local MOST_BASE58 = 1024 -- its cost grows with the square of the length

function M.encode.hexa(value)
    return (value:gsub(".", function(c)
        return ("%02x"):format(c:byte())
    end))
end

function M.decode.hexa(value)
    if #value % 2 ~= 0 or value:find "%X" then
        return nil
    end
    return (value:gsub("..", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

local function base64_encoder(last_two, padded)
    local alphabet = BASE64 .. last_two
    return function(value)
        local out = {}
        for position = 1, #value, 3 do
            local a, b, c = value:byte(position, position + 2)
            local word = a * 65536 + (b or 0) * 256 + (c or 0)
            local count = c and 4 or b and 3 or 2
            for i = 1, count do
                local digit = math.floor(word / 64 ^ (4 - i)) % 64
                out[#out + 1] = alphabet:sub(digit + 1, digit + 1)
            end
            if padded then
                out[#out + 1] = ("="):rep(4 - count)
            end
        end
        return table.concat(out)
    end
end

local function base64_decoder(last_two, padded)
    local digits = {}
    for i = 1, 64 do
        digits[(BASE64 .. last_two):byte(i)] = i - 1
    end
    return function(value)
        if padded and #value % 4 ~= 0 then
            return nil
        end
        value = value:gsub("=+$", "")
        if #value % 4 == 1 then
            return nil
        end
        local out, word, bits = {}, 0, 0
        for position = 1, #value do
            local digit = digits[value:byte(position)]
            if not digit then
                return nil
            end
            word, bits = word * 64 + digit, bits + 6
            if bits >= 8 then
                bits = bits - 8
                out[#out + 1] = string.char(math.floor(word / 2 ^ bits))
                word = word % 2 ^ bits
            end
        end
        return table.concat(out)
    end
end

M.encode.base64, M.decode.base64 = base64_encoder("+/", true), base64_decoder("+/", true)
M.encode.base64t, M.decode.base64t = base64_encoder("+/", false), base64_decoder "+/"
M.encode.base64url, M.decode.base64url = base64_encoder("-_", true), base64_decoder("-_", true)
M.encode.base64urlt, M.decode.base64urlt = base64_encoder("-_", false), base64_decoder "-_"

-- Digits of one base turned into digits of another, most significant first.
local function convert(digits, from, to)
    local out = {}
    for _, digit in ipairs(digits) do
        local carry = digit
        for i = 1, #out do
            carry = carry + out[i] * from
            out[i] = carry % to
            carry = math.floor(carry / to)
        end
        while carry > 0 do
            out[#out + 1] = carry % to
            carry = math.floor(carry / to)
        end
    end
    return out -- least significant first
end

function M.encode.base58(value)
    if #value > MOST_BASE58 then
        return nil
    end
    local zeros = #value:match "^%z*"
    local out = {}
    for i, digit in ipairs(convert({ value:byte(zeros + 1, -1) }, 256, 58)) do
        out[i] = BASE58:sub(digit + 1, digit + 1)
    end
    return ("1"):rep(zeros) .. table.concat(out):reverse()
end

function M.decode.base58(value)
    if #value > MOST_BASE58 then
        return nil
    end
    local ones = #value:match "^1*"
    local digits = {}
    for position = ones + 1, #value do
        local at = BASE58:find(value:sub(position, position), 1, true)
        if not at then
            return nil
        end
        digits[#digits + 1] = at - 1
    end
    local out = {}
    for i, byte in ipairs(convert(digits, 58, 256)) do
        out[i] = string.char(byte)
    end
    return ("\0"):rep(ones) .. table.concat(out):reverse()
end

-- GSM 7-bit packing (3GPP TS 23.038 s6.1.2.1.1): eight characters in seven bytes, low bits first; in hexadecimal.
M.encode["7bit"] = function(value)
    local out, word, bits = {}, 0, 0
    for position = 1, #value do
        word = word + value:byte(position) % 128 * 2 ^ bits
        bits = bits + 7
        if bits >= 8 then
            out[#out + 1] = string.char(word % 256)
            word, bits = math.floor(word / 256), bits - 8
        end
    end
    if bits > 0 then
        out[#out + 1] = string.char(word)
    end
    return M.encode.hexa(table.concat(out)):upper()
end

M.decode["7bit"] = function(value)
    local out, word, bits = {}, 0, 0
    value = M.decode.hexa(value)
    if not value then
        return nil
    end
    for position = 1, #value do
        word = word + value:byte(position) * 2 ^ bits
        bits = bits + 8
        while bits >= 7 do
            out[#out + 1] = string.char(word % 128)
            word, bits = math.floor(word / 128), bits - 7
        end
    end
    return table.concat(out)
end

local COMMON = { ["'"] = "\\'", ['"'] = '\\"', ["\\"] = "\\\\", ["\0"] = "\\0" }
local COMMON_BACK = { ["'"] = "'", ['"'] = '"', ["\\"] = "\\", ["0"] = "\0" }

function M.escape.common(value)
    return (value:gsub("['\"\\%z]", COMMON))
end

function M.unescape.common(value)
    return (value:gsub("\\(.)", COMMON_BACK))
end

-- Everything but the unreserved characters and those named becomes %XX (RFC 3261 s25.1).
local function percent_encoder(allowed)
    local class = "[^%w%-_%.!~%*'%(%)" .. allowed .. "]"
    return function(value)
        return (value:gsub(class, function(c)
            return ("%%%02x"):format(c:byte())
        end))
    end
end

local function percent_decode(value)
    if value:find "%%%X" or value:find "%%%x%X" or value:find "%%.?$" then
        return nil
    end
    return (value:gsub("%%(%x%x)", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

M.escape.user = percent_encoder "&=%+%$,;%?"
M.escape.param = percent_encoder "%[%]/:&%+%$"
M.unescape.user, M.unescape.param = percent_decode, percent_decode

function M.escape.csv(value)
    return '"' .. value:gsub('"', '""') .. '"'
end

function M.url_encode(value)
    return (value:gsub("[^%w%-_%.~]", function(c)
        return ("%%%02x"):format(c:byte())
    end))
end

function M.url_decode(value)
    return percent_decode((value:gsub("+", " ")))
end

-- Kamailio's core hash of one text (four bytes at a time, the rest shifted together).
function M.core_hash(value)
    local bxor, rshift = bit.bxor, bit.rshift
    local hash, position = 0, 1
    while position + 3 <= #value do
        local a, b, c, d = value:byte(position, position + 3)
        local word = bit.tobit(a * 16777216 + b * 65536 + c * 256 + d)
        hash = bit.tobit(hash + bxor(word, rshift(word, 3)))
        position = position + 4
    end
    local word = 0
    for at = position, #value do
        word = bit.tobit(word * 256 + value:byte(at))
    end
    hash = bit.tobit(hash + bxor(word, rshift(word, 3)))
    return bit.tobit(hash + rshift(hash, 11) + rshift(hash, 13) + rshift(hash, 23))
end

return M
