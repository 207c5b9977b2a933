;; Asks for memory that it cannot get, for ever.
(func $attack (result i32)
    (loop $more (drop (memory.grow (i32.const 60000))) (br $more))
    unreachable)
