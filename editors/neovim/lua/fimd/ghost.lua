--- Ghost text: shown, typed along, accepted as a whole or in part.
---
--- Neovim 0.12 asks for it and draws it itself; before that, this module does. Either way the place is checked here
--- before anything is inserted, which Neovim does not do: the text may have moved on since the answer came.

local api = vim.api
local METHOD = "textDocument/inlineCompletion"
local INVOKED, AUTOMATIC = 1, 2

local M = {}

-- Neovim 0.12 has these.
api.nvim_set_hl(0, "ComplHint", { default = true, link = "NonText" })
api.nvim_set_hl(0, "ComplHintMore", { default = true, link = "MoreMsg" })

local namespace = api.nvim_create_namespace("fimd")
local group = api.nvim_create_augroup("fimd", {})
local is_native = vim.lsp.inline_completion ~= nil

--- What this module shows: buffer, row and column (bytes, from 0) of the cursor then, items and which of them.
---@type { buffer: integer, row: integer, column: integer, items: table[], index: integer }?
local shown
local asked = 0

--- Where an answer is awaited: Neovim tells of one key by several events, and none overtakes a request by hand.
---@type string?
local awaited

--- Choose who draws: "native", "own", or nil for what there is.
function M.use(which)
  is_native = which ~= "own" and vim.lsp.inline_completion ~= nil
end

--- Which of the two draws.
function M.way()
  return is_native and "native" or "own"
end

--- The server writes the line ends of the file; in a buffer there are none.
local function plain(text)
  return (text:gsub("\r\n?", "\n"))
end

local function cursor()
  local row, column = unpack(api.nvim_win_get_cursor(0))
  return row - 1, column
end

--- What of `text`, which belongs at (row, column), is still to come at the cursor; nil where it no longer fits.
local function rest_of(buffer, row, column, text)
  local now_row, now_column = cursor()
  if api.nvim_get_current_buf() ~= buffer or now_row < row or (now_row == row and now_column < column) then
    return nil
  end
  if row >= api.nvim_buf_line_count(buffer) or column > #api.nvim_buf_get_lines(buffer, row, row + 1, true)[1] then
    return nil
  end
  local typed = table.concat(api.nvim_buf_get_text(buffer, row, column, now_row, now_column, {}), "\n")
  return vim.startswith(text, typed) and text:sub(#typed + 1) or nil
end

local parts = {
  whole = function(text) return text end,
  --- Blanks, then one word or one run of other characters.
  word = function(text)
    local blanks = text:match("^%s*")
    local rest = text:sub(#blanks + 1)
    return blanks .. (rest:match("^[%w_\128-\255]+") or rest:match("^[^%w_%s\128-\255]+") or "")
  end,
  line = function(text)
    local first = text:match("^\n?[^\n]*")
    return first
  end,
}

--- Write the first part of `text` at the cursor, and put the cursor behind it.
local function insert(buffer, text, part)
  local written = parts[part](text)
  local row, column = cursor()
  local lines = vim.split(written, "\n", { plain = true })
  api.nvim_buf_set_text(buffer, row, column, row, column, lines)
  api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and column or 0) + #lines[#lines] })
end

local function clear()
  if shown and api.nvim_buf_is_valid(shown.buffer) then
    api.nvim_buf_clear_namespace(shown.buffer, namespace, 0, -1)
  end
end

--- Draw what is left of the item at the cursor, or forget it where it no longer fits.
local function draw()
  clear()
  if not shown then
    return
  end
  local rest = rest_of(shown.buffer, shown.row, shown.column, shown.items[shown.index].insertText)
  if not rest or rest == "" then
    shown = nil
    return
  end
  local lines = vim.split(rest, "\n", { plain = true })
  local below = vim.tbl_map(function(line) return { { line, "ComplHint" } } end, vim.list_slice(lines, 2))
  local row, column = cursor()
  local hint = #shown.items > 1 and (" (%d/%d)"):format(shown.index, #shown.items) or ""
  api.nvim_buf_set_extmark(shown.buffer, namespace, row, column, {
    virt_text = { { lines[1], "ComplHint" }, { shown.index > 1 and hint or "", "ComplHintMore" } },
    virt_text_pos = "inline",
    virt_lines = #below > 0 and below or nil,
    hl_mode = "combine",
  })
end

--- Ask the server; its answer counts only where cursor and text are still as they were.
local function ask(client, buffer, kind)
  local row, column = cursor()
  local tick = api.nvim_buf_get_changedtick(buffer)
  local place = ("%d:%d:%d:%d"):format(buffer, tick, row, column)
  if kind == AUTOMATIC and awaited == place then
    return
  end
  awaited = place
  asked = asked + 1
  local number = asked
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = kind }
  client:request(METHOD, params, function(failure, answer)
    if number == asked then
      awaited = nil
    end
    local now_row, now_column = cursor()
    local is_stale = number ~= asked
      or not api.nvim_buf_is_valid(buffer)
      or api.nvim_get_current_buf() ~= buffer
      or api.nvim_buf_get_changedtick(buffer) ~= tick
      or now_row ~= row
      or now_column ~= column
    if failure or is_stale or not api.nvim_get_mode().mode:find("^i") then
      return
    end
    local items = answer and (answer.items or answer) or {}
    for _, item in ipairs(items) do
      item.insertText = plain(item.insertText)
    end
    clear()
    shown = #items > 0 and { buffer = buffer, row = row, column = column, items = items, index = 1 } or nil
    draw()
  end, buffer)
end

--- Neovim's own item, if there is one; `take` gets it and nothing is inserted by Neovim itself.
local function native_item(take)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      take(item)
      return nil
    end,
  })
end

local function native_accept(part)
  native_item(function(item)
    local buffer = api.nvim_get_current_buf()
    local text = item.insert_text
    if type(text) ~= "string" or not item.range then
      return
    end
    local row, column = item.range:to_extmark()
    local rest = rest_of(buffer, row, column, plain(text))
    if rest and rest ~= "" then
      insert(buffer, rest, part)
    end
  end)
end

local function accept(part)
  if shown then
    local rest = rest_of(shown.buffer, shown.row, shown.column, shown.items[shown.index].insertText)
    if rest and rest ~= "" then
      insert(shown.buffer, rest, part)
    end
    draw()
  elseif is_native then
    native_accept(part)
  end
end

function M.accept() accept("whole") end
function M.accept_word() accept("word") end
function M.accept_line() accept("line") end

local function cycle(count)
  if shown then
    shown.index = (shown.index - 1 + count) % #shown.items + 1
    draw()
  elseif is_native then
    vim.lsp.inline_completion.select({ count = count })
  end
end

function M.next() cycle(1) end
function M.previous() cycle(-1) end

--- Keep Neovim from drawing in the current buffer until something is typed.
local function pause_native()
  local filter = { bufnr = api.nvim_get_current_buf() }
  if not (is_native and vim.lsp.inline_completion.is_enabled(filter)) then
    return
  end
  vim.lsp.inline_completion.enable(false, filter)
  api.nvim_create_autocmd({ "TextChangedI", "InsertLeave" }, {
    group = group,
    buffer = filter.bufnr,
    once = true,
    callback = function()
      clear()
      shown = nil
      vim.lsp.inline_completion.enable(true, filter)
      -- It asks at the next key only, and this one has been typed.
      vim.schedule(function()
        if api.nvim_get_mode().mode:find("^i") and api.nvim_get_current_buf() == filter.bufnr then
          api.nvim_exec_autocmds("CursorMovedI", { buffer = filter.bufnr, modeline = false })
        end
      end)
    end,
  })
end

--- Take the ghost text away until something is typed.
function M.dismiss()
  asked, awaited = asked + 1, nil
  clear()
  shown = nil
  pause_native()
end

--- Ask now, for up to three suggestions.
function M.request()
  local buffer = api.nvim_get_current_buf()
  local client = vim.lsp.get_clients({ bufnr = buffer, name = "fimd" })[1]
  if client then
    pause_native() -- one of the two draws at a time
    ask(client, buffer, INVOKED)
  end
end

--- Whether there is ghost text at the cursor.
function M.is_shown()
  if shown then -- keys that come all at once may have left it behind
    local rest = rest_of(shown.buffer, shown.row, shown.column, shown.items[shown.index].insertText)
    return rest ~= nil and rest ~= ""
  end
  if not is_native then
    return false
  end
  for name, id in pairs(api.nvim_get_namespaces()) do
    if name == "nvim.lsp.inline_completion" then
      return #api.nvim_buf_get_extmarks(0, id, 0, -1, { limit = 1 }) > 0
    end
  end
  return false
end

--- Follow a buffer that the server serves.
function M.attach(client, buffer)
  if is_native then
    vim.lsp.inline_completion.enable(true, { bufnr = buffer })
    return
  end
  api.nvim_clear_autocmds({ group = group, buffer = buffer })
  api.nvim_create_autocmd({ "InsertEnter", "TextChangedI", "CursorMovedI" }, {
    group = group,
    buffer = buffer,
    callback = function()
      draw()
      if not shown then
        ask(client, buffer, AUTOMATIC)
      end
    end,
  })
  api.nvim_create_autocmd("InsertLeave", { group = group, buffer = buffer, callback = M.dismiss })
end

return M
