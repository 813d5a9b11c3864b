"""Policy documents: TOML for people, read into the plain values that the core decides by.

places      where in a text each value stands
problems    what is wrong with a document, and how it is shown: line, column, a caret, a hint
units       durations, shares and quantities as people write them
schema      what a document may say
reading     a document by the schema, with everything that is wrong with it at once
mapping     what was read, as a core.policy.model.Policy and rules
vocabulary, expressions, syntax, costs
            CEL: what it may speak of; compiled, typed and bounded before it is ever evaluated
rules       what rules make of a submission
document    the door: a text in, a checked document or all of its problems out
writing     a policy as a document
virtual, replay, comparison
            recent history under another policy, and who would wait longer
"""
