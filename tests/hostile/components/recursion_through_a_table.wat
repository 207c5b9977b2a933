;; Two functions that call each other through a table.
(type $step (func (param i64) (result i64)))
(table 2 funcref)
(elem (i32.const 0) $even $odd)
(func $even (type $step)
    (i64.add (i64.const 1) (call_indirect (type $step) (local.get 0) (i32.const 1))))
(func $odd (type $step)
    (i64.add (i64.const 1) (call_indirect (type $step) (local.get 0) (i32.const 0))))
(func $attack (result i32) (drop (call $even (i64.const 0))) unreachable)
