//! `compare-versions A OP B`: whether two versions of schemas compare so.

use ovsdb_proto::schema::Version;

use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let parse =
        |text: &String| Version::parse(text).ok_or_else(|| ToolError::Version(text.clone()));
    let (a, operator, b) = (
        parse(&call.arguments[0])?,
        &call.arguments[1],
        parse(&call.arguments[2])?,
    );
    let order = a.numbers().cmp(&b.numbers());
    let holds = match operator.as_str() {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        "==" => order.is_eq(),
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        "!=" => order.is_ne(),
        _ => return Err(ToolError::Operator(operator.clone())),
    };
    Ok(Answer::from(holds))
}
