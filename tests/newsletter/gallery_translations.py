"""The gallery's blocks in Arabic and Chinese. The interface is not translated into these languages, so labels fall
back.
"""

from __future__ import annotations

from newsletter import content

SITE = "https://kabarlintas.example"

ENVELOPES = {
    "ar": content.Envelope(
        subject="بوابات آلية جديدة وتصاريح إقامة عبر الإنترنت وخدمة يوم السبت",
        preheader="من يحق له استخدامها وكيف تعمل، مع إجابتين عن جوازات سفر الأطفال",
    ),
    "zh": content.Envelope(
        subject="机场新增自助通关通道，居留许可可全程网上办理，周六也受理护照",
        preheader="哪些人可以使用、如何使用，以及关于儿童护照的两个常见问题，附上十二月各移民局的服务时间表和周末受理名额的最新说明",
    ),
}


def _story(headline: str, summary: str, path: str, **more: str) -> content.StoryWords:
    return content.StoryWords(headline=headline, summary=f"<p>{summary}</p>", url=f"{SITE}{path}", **more)


WORDS: dict[str, dict[str, content.Words]] = {
    "blead": {
        "ar": _story(
            "الهجرة تفتح 12 بوابة آلية جديدة في مطار سوكارنو هاتا",
            "ابتداءً من يوم الاثنين يعبر حاملو الجوازات الإلكترونية في <strong>أقل من 30 ثانية</strong>. "
            "هذه طريقة الاستخدام ومن يحق له ذلك.",
            "/ar/autogate",
            link_text="اقرأ طريقة استخدام البوابة الآلية",
            image_alt="مسافرون يعبرون البوابات الآلية في صالة الوصول",
        ),
        "zh": _story(
            "苏加诺-哈达机场新开十二条自助通关通道",
            "从周一起，持电子护照的旅客<strong>不到三十秒</strong>即可通关。使用方法和适用人群如下。",
            "/zh/autogate",
            link_text="阅读自助通关使用指南",
            image_alt="旅客在到达大厅通过自助通道",
        ),
    },
    "bscam": {
        "ar": content.TextWords(
            heading="«موظفون» على واتساب يعرضون تسريع إصدار الجواز",
            body="<p>لا تعرض الهجرة أي خدمة عبر الرسائل الخاصة. لا ترسلوا صور الجواز ولا المال. "
            f'<a href="{SITE}/ar/report">أبلغوا هيئة التحرير برقم المحتال</a>.</p>',
        ),
        "zh": content.TextWords(
            heading="有人在 WhatsApp 上冒充官员，称可加急办理护照",
            body="<p>移民局不会通过私信提供任何服务。请勿发送护照照片或汇款。"
            f'<a href="{SITE}/zh/report">向编辑部举报诈骗号码</a>。</p>',
        ),
    },
    "bpermit": {
        "ar": _story(
            "تمديد تصريح الإقامة أصبح ممكناً بالكامل عبر الإنترنت",
            "لم يعد الحضور لالتقاط الصورة البيومترية لازماً ما دامت البيانات سارية.",
            "/ar/permit",
            update="22 نوفمبر، يشمل أيضاً حاملي ITAP.",
        ),
        "zh": _story(
            "居留许可现可全程网上延期",
            "只要生物识别数据仍然有效，申请人无需再到现场拍照。",
            "/zh/permit",
            update="11月22日，ITAP 持有者同样适用。",
        ),
    },
    "bvisa": {
        "ar": _story(
            "تأشيرة الطالب: ما الذي يتغير في يناير",
            "ستكفل الجامعات طلابها عبر الإنترنت، وتلغى رسالة الكفالة الورقية.",
            "/ar/student-visa",
            link_text="اطلع على الجامعات الكفيلة",
            image_alt="طلاب ينتظرون عند شباك الجامعة",
        ),
        "zh": _story(
            "学生签证：一月起的变化",
            "高校将在线为学生担保，纸质担保信不再有效。",
            "/zh/student-visa",
            link_text="查看可担保的高校名单",
            image_alt="学生在大学窗口前等候",
        ),
    },
    "btarif": {
        "ar": _story(
            "رسوم التأشيرة عند الوصول لا تتغير العام المقبل",
            "تبقى 500.000 روبية للشخص، عند الشباك أو عبر الإنترنت.",
            "/ar/fee",
        ),
        "zh": _story("明年落地签费用不变", "仍为每人五十万盾，可在柜台或网上支付。", "/zh/fee"),
    },
    "bsabtu": {
        "ar": _story("مكتب دينباسار يستقبل 220 طلباً كل سبت", "حتى نهاية ديسمبر من 08:00 إلى 12:00.", "/ar/denpasar"),
        "zh": _story("登巴萨移民局每周六受理二百二十人", "至十二月底，每天八点到十二点。", "/zh/denpasar"),
    },
    "bneed": {
        "ar": content.TextWords(
            heading="ما يلزم إحضاره إلى البوابة الآلية",
            body="<ul><li>جواز إلكتروني صالح لأكثر من ستة أشهر</li><li>إقرار الوصول مكتملاً</li>"
            "<li>للأطفال دون السادسة: ممر الشباك مع أحد الوالدين</li></ul>",
        ),
        "zh": content.TextWords(
            heading="使用自助通道需携带",
            body="<ul><li>有效期六个月以上的电子护照</li><li>已填写的入境申报</li><li>六岁以下儿童：由家长陪同走人工通道</li></ul>",
        ),
    },
    "binfo": {
        "ar": content.TextWords(body="<p>مكاتب الهجرة مغلقة يومي 24 و25 ديسمبر.</p>"),
        "zh": content.TextWords(body="<p>各移民局十二月二十四日和二十五日休息。</p>"),
    },
    "bwarning": {
        "ar": content.TextWords(
            body="<p>التصاريح التي تنتهي قبل 31 ديسمبر يستحسن تمديدها قبل اليوم 15. "
            f'<a href="{SITE}/ar/hours">اطلعوا على أوقات كل مكتب</a>.</p>'
        ),
        "zh": content.TextWords(
            body="<p>十二月三十一日前到期的许可，请在十五日前办理延期。"
            f'<a href="{SITE}/zh/hours">查看各局办公时间</a>。</p>'
        ),
    },
    "bqueue": {
        "ar": content.ImageWords(
            image_alt="رسم بالأعمدة: أيام العمل من الطابور إلى استلام الجواز في خمسة مكاتب",
            caption="المصدر: لوحات الخدمة في المكاتب، من إعداد هيئة التحرير",
            facts="<p><strong>أيام العمل، متوسط أكتوبر:</strong> دينباسار 8.0؛ جاكرتا الجنوبية 6.1؛ سورابايا 4.8؛ ميدان 4.4؛ "
            "ماكاسار 3.6.</p>",
        ),
        "zh": content.ImageWords(
            image_alt="柱状图：五个移民局从排队到拿到护照的工作日数",
            caption="来源：各局服务公告，编辑部整理",
            facts="<p><strong>十月平均工作日：</strong>登巴萨 8.0；南雅加达 6.1；泗水 4.8；棉兰 4.4；望加锡 3.6。</p>",
        ),
    },
    "bvideo": {
        "ar": content.VideoWords(
            headline="كيف تقرأ ختم الدخول في جوازك",
            summary="<p>خمس علامات في الختم، وما يجب تصويره قبل مغادرة الشباك.</p>",
            url=f"{SITE}/ar/video/stamp",
            duration="2:40",
            transcript_url=f"{SITE}/ar/video/stamp/text",
            image_alt="جواز سفر مفتوح بجانب زر التشغيل",
        ),
        "zh": content.VideoWords(
            headline="如何看懂护照上的入境章",
            summary="<p>章上的五个标记，以及离开柜台前应拍下的内容。</p>",
            url=f"{SITE}/zh/video/stamp",
            duration="2:40",
            transcript_url=f"{SITE}/zh/video/stamp/text",
            image_alt="播放键旁的护照",
        ),
    },
    "bfaq": {
        "ar": content.FaqWords(
            heading="أسئلة وأجوبة: جوازات أطفال الجنسيتين",
            questions=[
                content.FaqEntry(
                    question="حتى أي سن يجوز حمل جوازين؟", answer="<p>حتى 18 عاماً، مع مهلة للاختيار حتى 21.</p>"
                ),
                content.FaqEntry(
                    question="هل يجب حضور الوالدين معاً؟",
                    answer="<p>لا. يكفي أحدهما مع موافقة مختومة من الآخر. "
                    f'<a href="{SITE}/ar/letter">حمّل نموذج رسالة الموافقة</a>.</p>',
                ),
            ],
        ),
        "zh": content.FaqWords(
            heading="问答：双重国籍儿童的护照",
            questions=[
                content.FaqEntry(
                    question="最多到几岁可以持两本护照？", answer="<p>到十八岁，二十一岁前须作出选择。</p>"
                ),
                content.FaqEntry(
                    question="父母双方都要到场吗？",
                    answer=f'<p>不必。一方到场并附另一方的同意书即可。<a href="{SITE}/zh/letter">下载同意书样本</a>。</p>',
                ),
            ],
        ),
    },
    "bfigures": {
        "ar": content.FiguresWords(
            heading="خدمة الجوازات في أكتوبر",
            figures=[
                content.Figure(value="12.400", label="طلب جواز يومياً في كل إندونيسيا"),
                content.Figure(value="98%", label="أنجزت خلال أربعة أيام عمل"),
                content.Figure(value="31 دقيقة", label="متوسط الانتظار عند الشباك"),
            ],
            source="المصدر: لوحات الخدمة في المكاتب، من إعداد هيئة التحرير",
        ),
        "zh": content.FiguresWords(
            heading="十月护照服务",
            figures=[
                content.Figure(value="12,400", label="全国每日护照申请"),
                content.Figure(value="98%", label="四个工作日内办结"),
                content.Figure(value="31 分钟", label="柜台平均等候时间"),
            ],
            source="来源：各局服务公告，编辑部整理",
        ),
    },
    "bevent": {
        "ar": content.CalendarEventWords(
            headline="يوم الجوازات في مكتب الهجرة في دينباسار",
            summary="<p>مجاناً، أحضروا بطاقة الهوية وبطاقة العائلة.</p>",
            place="Jalan D.I. Panjaitan 3، دينباسار",
            url=f"{SITE}/ar/passport-day",
        ),
        "zh": content.CalendarEventWords(
            headline="登巴萨移民局护照便民日",
            summary="<p>免费办理，请携带身份证和户口簿。</p>",
            place="登巴萨 Jalan D.I. Panjaitan 3",
            url=f"{SITE}/zh/passport-day",
        ),
    },
    "bquote": {
        "ar": content.QuoteWords(
            quote="من يطلب مالاً خارج رمز الدفع الرسمي فليس من موظفينا.",
            source="ني مادي أيو ساري، رئيسة خدمة الجوازات، دينباسار",
        ),
        "zh": content.QuoteWords(
            quote="凡在缴费码之外收钱的，都不是我们的人。", source="登巴萨护照服务处处长 Ni Made Ayu Sari"
        ),
    },
    "bbutton": {
        "ar": content.ButtonWords(label="اطلع على أوقات الخدمة في ديسمبر", url=f"{SITE}/ar/december"),
        "zh": content.ButtonWords(label="查看十二月服务时间", url=f"{SITE}/zh/december"),
    },
}
