--- {url.…}: what stands in the first line of an HTTP request, "/path?query".
return {
    path = { 0, 0, apply = function(value)
        return value:match "^[^?]*"
    end },
    querystring = { 0, 0, apply = function(value)
        return value:match "^[^?]*%?(.*)$" or ""
    end },
}
